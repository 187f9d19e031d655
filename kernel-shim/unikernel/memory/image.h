/** The parts of the image, as `boot/image.ld` places them; each begins with a page. */
#ifndef MEMORY_IMAGE_H
#define MEMORY_IMAGE_H

extern const char image_start[], image_constants[], image_variables[], image_end[];

#endif
