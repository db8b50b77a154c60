"""What a learner might write instead."""


def inner_width__rounds_down(width, multiple_of, multiplier):
    hidden = int((multiplier or 1) * int(8 * width / 3))
    return hidden // multiple_of * multiple_of


def inner_width__rounds_to_the_nearest(width, multiple_of, multiplier):
    hidden = int((multiplier or 1) * int(8 * width / 3))
    return round(hidden / multiple_of) * multiple_of


def inner_width__forgets_the_multiplier(width, multiple_of, multiplier):
    hidden = int(8 * width / 3)
    return (hidden + multiple_of - 1) // multiple_of * multiple_of


def inner_width__starts_from_four(width, multiple_of, multiplier):
    hidden = int((multiplier or 1) * 4 * width)
    return (hidden + multiple_of - 1) // multiple_of * multiple_of
