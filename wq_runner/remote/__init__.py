"""What runs on a worker. It travels there by itself, as a zip file under the name `wq_remote`.

Nothing here imports wq_runner, and nothing at a module's top but the standard library: the first
process of a task starts in milliseconds, on whatever Python the environment has.
"""
