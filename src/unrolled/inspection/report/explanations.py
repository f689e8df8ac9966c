"""How each page is read, in the words that stand on it."""

EXPLANATIONS = {
    "gradient": (
        "The line shows how strongly the loss at one step depends on the state that the network carried k "
        "steps before (mean over 16 places of the text; the band holds the middle 80 %). What a network "
        "learns about the past, it learns through this gradient. Each step back multiplies it by the step's "
        "Jacobian: mostly below 1 it vanishes exponentially, mostly above 1 it explodes. The axis is "
        "logarithmic, so that a constant factor is a straight line.",
        "Vanishing is no fault where nothing far back matters. Where it does: gates that stay open, longer "
        "time constants, skip connections in time, or orthogonal recurrent weights carry the gradient "
        "further.",
    ),
    "spectrum": (
        "Each dot is an eigenvalue of a recurrent matrix. A matrix that is applied again and again makes "
        "directions outside of the circle grow and those inside fade; far around the circle from the right, "
        "it turns them (an oscillation).",
        "In a cell with gates the matrix is not the whole step: gates scale what it does. The gradient flow "
        "shows what comes of it all together.",
    ),
    "gates": (
        "How often each gate has which value over the text. Values at 0 and 1 are saturated: such a gate is a "
        "switch, which is good for keeping, and learns slowly. A heap in the middle is a gate that mixes.",
        "Where a gate multiplies the state that is kept, its mean gives a time constant: after so many steps "
        "a unit still has a share 1/e (37 %) of what it held. Units ordered from the fastest to the slowest.",
    ),
    "memorization": (
        "Point at a symbol, tap it, or move with the arrow keys: the background shows which earlier symbols "
        "moved its prediction. The influence is the squared gradient of the true symbol's logit by what was "
        "read there, as a share of the largest; the colour is its square root, so that small ones show too. "
        "Click or Enter pins the symbol, Escape lets go.",
    ),
    "neurons": (
        "The text in the colours of one unit: orange where it is above zero after the symbol was read, blue "
        "below. Units that follow a pattern were looked for in the first half of the text; the correlation "
        "held out is that on the second half: of hundreds of units, some follow anything by chance.",
    ),
    "surprise": (
        "The darker a symbol, the less the model expected it: bits = -log2 P(symbol | all before). 1 bit is a "
        "coin toss, 8 bits are 1 in 256. Point at one to see what was expected instead.",
    ),
    "truncation": (
        "Training cuts the gradient after a window of steps. Here the gradient of the whole text is the "
        "truth, and each k2 is how far back a cheaper one goes: the relative error of all its numbers "
        "together, and the cosine of the two directions. Thin lines are single parameters. A window is long "
        "enough where the error has become small; beyond that, a longer one costs memory and teaches nothing "
        "new.",
    ),
}
"""Paragraphs by the name of the page."""

VIEW_NOTES = (
    "A point stands for a blank, ⏎ for a new line, ⇥ for a tab; a mark that belongs on another letter "
    "stands on ◌."
)
