"""`python -m polyscene` is the `polyscene` command."""

from polyscene.cli.main import run

if __name__ == "__main__":
    run()
