"""How a card asks and how an answer is graded, one module a kind."""
