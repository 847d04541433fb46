"""Published super-resolution networks as backbones: y (N, 3, h, w) in [0, 1] -> x_r, any h, w."""
