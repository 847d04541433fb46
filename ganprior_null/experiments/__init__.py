"""What runs in full: a profile and a data set in; a folder with figures, pictures and weights out.

The only place that knows experiments by name. One file each: ``prior``, ``features``, ``restorer`` train;
``kernels`` and ``inversion`` evaluate; ``enforce`` and ``publish`` work on what others, or a run, left.
"""
