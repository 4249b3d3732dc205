"""What is done with labelled images, whatever data set they come from: read, reduced, prepared, checked."""
