r"""A checker compares values, not strings: it needs the answer's place, its value, and a key that is right.

检查器比较的是值而不是字符串：它要找到答案的位置、读出它的值，还要有一个正确的 key。

Turn `way` to "equal strings": right answers in another form count as wrong. Turn it to "key in the text": a list
of guesses counts as right.
把 `way` 改为 "equal strings"：换一种写法的正确答案被判错；改为 "key in the text"：罗列一串猜测也算对。
"""

import re
from fractions import Fraction

from studyapp.evidence import bars, breaks, exercise, expect, main, one_of, show


def value_of(text: str) -> Fraction | str:
    """The number that a text writes, as a fraction; else the text in lower case without spaces at its ends."""
    plain = re.sub(r"\\d?frac\{([^{}]+)\}\{([^{}]+)\}", r"\1/\2", text).replace("−", "-").replace("\\%", "%")
    plain = plain.strip().rstrip(".").strip("$").rstrip(".").replace(" ", "")
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)                    # 1,000
    found = re.fullmatch(r"(-?\d*\.?\d+)(?:/(\d*\.?\d+))?(%?)", plain)
    if not found or (found[2] and Fraction(found[2]) == 0):
        return text.strip().lower()
    return Fraction(found[1]) / Fraction(found[2] or 1) / (100 if found[3] else 1)


@exercise(claims=("other_forms_of_the_value_are_accepted", "a_list_of_guesses_is_rejected"),
          wrong=("compares_strings", "looks_for_the_key", "takes_the_first_box"))
def is_right(answer: str, key: str) -> bool:
    r"""Whether the last `\boxed{…}` of an answer has the value of the key, as `value_of` reads both; an answer without a box is
    wrong. Braces inside a box, as of \frac, must be balanced.

    回答里最后一个 `\boxed{…}` 的值是否等于 key 的值，两者都由 `value_of` 读出；没有框的回答算错。框里的花括号（如 \frac 的）必须配对。"""
    start = answer.rfind(r"\boxed{")
    if start < 0:
        return False
    begin, depth = start + len(r"\boxed{"), 1
    end = begin
    while end < len(answer) and depth:                                   # to the brace that closes the box
        depth += (answer[end] == "{") - (answer[end] == "}")
        end += 1
    return depth == 0 and value_of(answer[begin : end - 1]) == value_of(key)


def equal_strings(answer: str, key: str) -> bool:
    found = re.findall(r"\\boxed\{(.*)\}", answer)
    return bool(found) and found[-1] == key


def key_in_the_text(answer: str, key: str) -> bool:
    return key in answer


WAYS = {"values": is_right, "equal strings": equal_strings, "key in the text": key_in_the_text}
SAME = [(r"so \boxed{0.5}", "1/2"), (r"\boxed{\frac{3}{4}}", "0.75"), (r"\boxed{1,000}", "1000"), (r"\boxed{−2}", "-2"),
        (r"\boxed{50\%}", "0.5"), (r"\boxed{Paris}", "paris"), (r"\boxed{.5}", "1/2"), (r"first \boxed{3}, no: \boxed{4}", "4"),
        (r"\boxed{7.0}", "7")]
OTHER = [(r"\boxed{0.33}", "1/3"), (r"\boxed{12}", "2"), (r"it is 5", "5"), (r"\boxed{.5}", "5"), (r"\boxed{4} or \boxed{5}", "4"),
         (r"\boxed{1, 2, 3, 4}", "3"), (r"\boxed{\frac{3}{4}", "3/4"), (r"\boxed{1/0}", "1")]
RANGES = {"way": one_of("values", "equal strings", "key in the text")}


@breaks(way="equal strings", en="The same number in another form is another string.", zh="同一个数换一种写法就是另一个字符串。")
def claim_other_forms_of_the_value_are_accepted(way="values"):
    """A checker that reads values accepts 0.5 for 1/2, 1,000 for 1000 and 50% for 0.5, and the last box where an answer was
    corrected.

    读值的检查器接受 0.5 当 1/2、1,000 当 1000、50% 当 0.5；回答中途改正时，以最后一个框为准。"""
    show(bars(WAYS, {"right answers accepted, of 9": [sum(check(*pair) for pair in SAME) for check in WAYS.values()]}))
    expect("right answers that are accepted", sum(WAYS[way](*pair) for pair in SAME), equals=len(SAME))


@breaks(way="key in the text", en="Whoever writes down every number has written the right one, too.",
        zh="把所有数都写一遍，总有一个是对的。")
def claim_a_list_of_guesses_is_rejected(way="values"):
    """The checker rejects what hedges or only contains the key: two boxes of which the last is wrong, a list in the box, 12 for 2,
    no box at all.

    检查器拒绝模棱两可或只是含有 key 的回答：两个框而最后一个错、框里列一串、用 12 充当 2、根本没有框。"""
    show(bars(WAYS, {"wrong answers accepted, of 8": [sum(check(*pair) for pair in OTHER) for check in WAYS.values()]}))
    expect("wrong answers that are accepted", sum(WAYS[way](*pair) for pair in OTHER), equals=0)


ZH = {
    "values": "比较值", "equal strings": "字符串相等", "key in the text": "文本含 key",
    "right answers accepted, of 9": "被接受的正确回答（共 9）",
    "wrong answers accepted, of 8": "被接受的错误回答（共 8）", "right answers that are accepted": "被接受的正确回答",
    "wrong answers that are accepted": "被接受的错误回答",
}

if __name__ == "__main__":
    main()
