"""The user study of Figure 8 as a kit: `semo study build` makes the page, `semo study tally` counts the answers."""

DIMENSIONS = {
    "realism": "Which one looks more like a real person?",
    "lip-sync": "In which one do the lips fit the speech better?",
    "smoothness": "Which one moves more smoothly?",
    "overall": "Which one is better overall?",
}
