"""Who has which colour in the whole book, in plots, diagrams and drawings alike.

Introduced in the front matter.

The colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), made for every kind of colour vision. Each
role also has its own marker and dash, so that a figure reads in grey.
"""

ROLES = {  # colour, marker, dash
    "plain": ("#8C8C8C", "s", "--"),
    "residual": ("#0072B2", "o", "-"),
    "preactivation": ("#E69F00", "^", "-."),
    "train": ("#000000", "x", "--"),
    "valid": ("#009E73", "o", "-"),
    "cat": ("#D55E00", "^", "-"),
    "dog": ("#56B4E9", "s", "--"),
    "highlight": ("#CC79A7", "D", ":"),
}
COLORS = {role: look[0] for role, look in ROLES.items()}
MARKERS = {role: look[1] for role, look in ROLES.items()}
DASHES = {role: look[2] for role, look in ROLES.items()}
