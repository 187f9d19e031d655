/** Memory of the reference: taken while a device is opened, never given back. */
#include "memory.h"

struct translation translations[TRANSLATIONS];

static uint32_t private_next, private_end;

int32_t EXPORT(initialize)(uint32_t arena, uint32_t bytes) {
  private_next = (arena + 15) & ~UINT32_C(15);
  private_end = arena + bytes;
  return VIRTIO_RESULT_OK;
}

void *take_private(uint32_t bytes) {
  const uint32_t address = private_next;
  if (bytes > private_end - address) return NULL;
  private_next += (bytes + 15) & ~UINT32_C(15);
  return at(address);
}

uint32_t take_pages(uint32_t bytes) {
  return kernel_dma_alloc((bytes + PAGE_BYTES - 1) / PAGE_BYTES);
}

uint64_t translate(uint32_t page) {
  const uint64_t address = kernel_dma_address(page << PAGE_SHIFT);
  if (address == VIRTIO_NO_ADDRESS) return VIRTIO_NO_ADDRESS;
  translations[page % TRANSLATIONS] = (struct translation){.key = page + 1, .address = address};
  return address;
}
