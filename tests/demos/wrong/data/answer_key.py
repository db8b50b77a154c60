"""What a learner might write instead."""

import re


def is_right__compares_strings(answer, key):
    found = re.findall(r"\\boxed\{(.*?)\}", answer)
    return bool(found) and found[-1].strip() == key


def is_right__looks_for_the_key(answer, key):
    """Any answer that contains the key."""
    return key in answer


def is_right__takes_the_first_box(answer, key):
    """The box that was corrected later, read as a number where it is one."""
    found = re.search(r"\\boxed\{(.*?)\}", answer)
    if not found:
        return False
    said, wanted = found[1].replace(",", ""), key
    try:
        return float(said) == float(wanted)
    except ValueError:
        return said.lower() == wanted.lower()
