"""Construction and verification of students: stock models from the kept layers of a teacher."""
