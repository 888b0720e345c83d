from stego_lib.compilation import compiled


def test_a_function_that_can_not_be_kept_is_compiled_all_the_same():
    names = {}
    exec("def double(x):\n    return 2 * x", names)  # numba keeps nothing of what is in no file
    assert compiled(names["double"])(21) == 42
