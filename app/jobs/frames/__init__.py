"""What is seen in videos and pictures: which frames are looked at, by whom, and what is found in them."""
