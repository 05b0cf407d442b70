"""What a figure says."""


def texts(figure):
    """All the words of a figure, its legends and ticks included."""
    found = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        legend = axes.get_legend()
        found += [axes.get_title(loc="left"), *(text.get_text() for text in axes.texts)]
        found += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        found += [text.get_text() for text in legend.get_texts()] if legend else []
    return found
