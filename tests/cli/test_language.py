"""What goes wrong is said in the learner's language."""

import time
from pathlib import Path

import pytest

QUESTION = "softmax-overflow"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["answer", "softmax-overflo", "good"], ("没有题目", "是不是 softmax-overflow？")),
        (["run", "foundations/softmax_overflow", "--set", "nosuch=1"], ("没有参数 'nosuch'", "可选：")),
        (["run", "foundations/softmax_overflow", "--break", "1"], ("--break 只用于单个断言", "写成 topic/demo.claim")),
        (["drill", "foundations/softmax_overflow"], ("没有指明计算题",)),
        (["restore", "README.md"], ("不是完好的数据库", "没有找到其他副本。")),
        (["merge", "README.md"], ("无法读取", "没有合并任何内容。")),
        (["export", "csv", "-o", "/nowhere/x.csv"], ("无法写入 /nowhere/x.csv", "--output")),
        (["note", QUESTION, "x" * 20_001], ("笔记有 20001 个字符", "请缩短")),
    ],
)
def test_a_command_tells_an_error_in_chinese(run, words: list[str], said: tuple[str, ...]) -> None:
    """Under --lang zh both what is wrong and how to mend it are Chinese."""
    told = run("--lang", "zh", *words)
    assert told.exit_code == 1
    for part in said:
        assert part in told.stderr


def test_settings_that_cannot_be_used_are_told_in_the_language_asked_for(run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--lang decides, and without it the terminal's language, though the settings themselves are what cannot be read."""
    home.mkdir(parents=True)
    (home / "settings.toml").write_text("new_per_day = -1\n")
    assert "new_per_day：-1 不可用，应为：0 到 9999 之间的整数" in run("--lang", "zh", "due").stderr
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "应为：0 到 9999 之间的整数" in run("due").stderr
    monkeypatch.setenv("LC_ALL", "C")
    assert "new_per_day: -1 is not a whole number between 0 and 9999" in run("due").stderr


def test_a_lost_and_a_damaged_database_are_told_in_chinese(run, home: Path) -> None:
    """The way back from a loss and from damage is Chinese, its command as it is to be pasted."""
    run("answer", QUESTION, "good", "--at", "2026-11-01")
    run("backup")
    database = home / "reviews.db"
    database.write_bytes(b"no database at all, and long enough to be looked at" * 40)
    told = run("--lang", "zh", "due").stderr
    assert "数据库已损坏" in told and "请运行：studyapp restore" in told
    database.unlink()
    told = run("--lang", "zh", "doctor").stderr
    assert "不见了，但还有 2 份副本" in told and "从头开始：studyapp begin-anew" in told


def test_that_there_is_no_home_is_told_in_the_language_asked_for(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even the data folder can be named, --lang decides, and then the terminal."""
    monkeypatch.setenv("STUDYAPP_HOME", "~nosuchuser/x")
    told = run("--lang", "zh", "due")
    assert told.exit_code == 1 and "找不到主目录" in told.stderr and "请用 STUDYAPP_HOME" in told.stderr
    monkeypatch.setenv("LC_ALL", "C")
    assert "there is no home folder" in run("due").stderr


def test_what_is_wrong_with_a_bank_of_ones_own_is_told_in_chinese(run, tmp_path: Path) -> None:
    """`check` and a command that needs the question say it in Chinese, at first and when the bank is read from the cache."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bpe.yaml").write_text("ask: What is BPE?\nquestion: x\n")
    (tmp_path / "mine" / "level.yaml").write_text("ask: a\nanswer: b\nlevel: cor\n")
    bank = ("--bank", str(tmp_path / "mine"), "--lang", "zh")
    for _ in range(2):
        time.sleep(0.05)  # a file that changed this very moment is not kept in the cache
        told = run(*bank, "check")
        assert told.exit_code == 1
        assert "bpe.yaml:1: answer: 缺失；请补上" in told.output.replace("; ", "；")
        assert "没有“cor”这个级别" in told.output and "是不是 core？" in told.output and "是不是 ask？" in told.output
    assert "缺失" in run(*bank, "show", "mine:bpe").stderr
