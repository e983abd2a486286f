"""The tools that come with so8t: one a module, made with the same @tool as anyone's."""
