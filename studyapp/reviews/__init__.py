"""What is still remembered: reviews, and the cards that FSRS makes of them."""
