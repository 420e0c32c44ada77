"""A simulated city: composed counter clips and the timetable of swipes."""
