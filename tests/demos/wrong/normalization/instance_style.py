"""Plausible wrong bodies of the exercise of normalization/instance_style."""


def adain__swaps_the_roles(content, style):
    """The style's pattern with the content's statistics."""
    mean, deviation = style.mean((2, 3), keepdim=True), style.std((2, 3), correction=0, keepdim=True)
    return (style - mean) / deviation * content.std((2, 3), correction=0, keepdim=True) + content.mean((2, 3), keepdim=True)


def adain__one_pair_for_all_channels(content, style):
    """Statistics of the whole image instead of each channel."""
    dims = (1, 2, 3)
    normalised = (content - content.mean(dims, keepdim=True)) / content.std(dims, correction=0, keepdim=True)
    return normalised * style.std(dims, correction=0, keepdim=True) + style.mean(dims, keepdim=True)
