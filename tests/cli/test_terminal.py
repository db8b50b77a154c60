"""Where output goes, and where there is no terminal for it."""

import pytest

from studyapp.cli.terminal import READER_LEFT, colour
from studyapp.plaintext import printable


@pytest.mark.parametrize("redirect", ["</dev/null", "<&-", "<&- >&-", "</dev/null >/dev/null", "| cat"])
def test_without_a_terminal_the_app_says_so_and_leaves(shell, redirect):
    """No terminal for input or output: one line and a hint at once, exit code 2, and nothing is made."""
    done = shell(f"$S {redirect}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 2
    assert b"needs a terminal" in done.stderr and b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_terminal_for_input_alone_is_not_enough(shell):
    """With the keyboard a terminal and the output a file, nothing is drawn anywhere."""
    done = shell("script -qec '$S >/dev/null' /dev/null </dev/null")
    assert done.returncode == 2 and b"needs a terminal" in done.stdout


@pytest.mark.parametrize("words", ["demos", "--help", "show mla", "search KL --json"])
def test_a_full_disk_is_told(shell, words):
    """What cannot be written is an error of one line, wherever it happens."""
    done = shell(f"$S {words} >/dev/full")
    assert done.returncode == 1
    assert done.stderr.decode().startswith("studyapp: the output cannot be written")
    assert b"Traceback" not in done.stderr


def test_a_reader_that_leaves_ends_the_output_quietly(shell):
    """A pipe whose reader has gone leaves nothing on stderr and the exit code of SIGPIPE."""
    done = shell("$S demos --json | true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (READER_LEFT, b"")


@pytest.mark.parametrize("encoding", ["latin-1", "gbk", "cp1252", "ascii"])
def test_a_file_is_utf_8_whatever_the_locale(shell, encoding):
    """docs/json.md promises UTF-8; other text that is redirected is UTF-8 too."""
    done = shell("$S --lang zh search KL", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert "KL 散度" in done.stdout.decode("utf-8")


def test_a_terminal_that_lacks_a_sign_shows_another(shell):
    """On a terminal of another encoding the text goes on, with a mark for what it cannot show."""
    done = shell("script -qec '$S --lang zh search KL' /dev/null </dev/null", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert b"KL ??" in done.stdout and b"Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [({}, None), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, None), ({"TERM": "dumb"}, False), ({"TERM": "xterm"}, None)],
)
def test_colour_is_decided_in_one_place(environ, wanted):
    """NO_COLOR and a dumb terminal mean none; otherwise a terminal gets it and a pipe does not."""
    assert colour(environ) is wanted


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
@pytest.mark.parametrize("words", ["show mla", "run foundations/softmax_overflow.shifted_softmax_never_overflows"])
def test_no_command_colours_where_none_is_wanted(shell, environ, words):
    """Pages, charts and marks of a run obey alike."""
    assert b"\x1b[" in shell(f"script -qec '$S {words}' /dev/null </dev/null", TERM="xterm").stdout
    assert b"\x1b[" not in shell(f"script -qec '$S {words}' /dev/null </dev/null", **{"TERM": "xterm", **environ}).stdout


STEERING = "\x1b\x9b\x07\u202e\u061c\u2066\ufeff"


def test_nothing_steers_the_terminal(run, tmp_path):
    """Escape sequences and marks of direction from names and files come out as their numbers, in JSON too."""
    bank = tmp_path / "mine"
    for sign in STEERING:
        (bank / f"t{sign}x").mkdir(parents=True)
        (bank / f"t{sign}x" / f"a{sign}b.yaml").write_text(f'"k{sign}": 1\nask: "q{sign}"\n', "utf-8")
    for words in (["check"], ["check", "--json"], ["due"], ["due", "--json"], *(["search", f"x{s}"] for s in STEERING)):
        done = run("--bank", str(bank), *words)
        assert not set(STEERING) & set(done.output), words
    told = run("--bank", str(bank), "check").output
    for sign in STEERING:
        assert f"a\\u{ord(sign):04x}b.yaml" in told
        assert sign not in run("--bank", str(bank), "show", f"mine:{sign}").output
        assert printable(f"a{sign}b\n\t中") == f"a\\u{ord(sign):04x}b\n\t中"


def test_no_home_is_an_error_that_says_what_to_set(run, monkeypatch):
    """A user whose home is not known, as in a container, is told of STUDYAPP_HOME."""
    monkeypatch.setenv("STUDYAPP_HOME", "~no-such-user/x")
    for words in (["search", "KL"], ["due"], ["doctor"]):
        done = run(*words)
        assert done.exit_code == 1 and "STUDYAPP_HOME" in done.stderr, done.output
