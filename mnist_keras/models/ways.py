"""The hidden classes of weights that distinguish ways of writing, such as a crossed 7 and a plain one."""

HIDDEN_CLASSES = (
    *("0", "1 bare", "1 flagged", "1 with a foot", "2", "3", "4", "5", "6"),
    *("7 plain", "7 crossed", "7 with a serif", "8", "9 straight", "9 hooked", "not a digit"),
)
NOT_A_DIGIT = HIDDEN_CLASSES.index("not a digit")
DIGITS = tuple(int(name[0]) if name[0].isdigit() else -1 for name in HIDDEN_CLASSES)
