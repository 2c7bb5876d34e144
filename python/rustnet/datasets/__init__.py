"""Small data sets as NumPy arrays: `(x_train, y_train), (x_test, y_test) = digits.load_data()`."""

from rustnet.datasets import digits as digits
from rustnet.datasets import fashion_mnist as fashion_mnist
from rustnet.datasets import mnist as mnist
