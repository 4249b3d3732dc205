"""FCN without skips, by its name: scores of the deepest map go to full size at once. The same networks as head `fcn`.

FCN-32s (Long et al., CVPR 2015, section 4.1) over the lab's context layers; of a stem whose deepest map has stride 16
or 8 the factor is that.
"""

from budgetnet.heads import fcn

PARAMETERS = fcn.PARAMETERS
add = fcn.add
