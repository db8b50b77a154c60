"""Where `python -m studyapp` begins."""

from studyapp.cli import cli

if __name__ == "__main__":
    cli()
