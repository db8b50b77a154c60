"""Long trials, bounded in count and time: a few of each run with the tests, all of them by `python -m tests.campaigns.NAME`."""
