"""Who judges answers, and how: back ends behind one signature, and the windows of a stream that they see."""
