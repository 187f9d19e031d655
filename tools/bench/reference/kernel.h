/** What the reference asks of a kernel: the driver stack's own import interface, as C functions. */
#ifndef REFERENCE_KERNEL_H
#define REFERENCE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <virtio-abi.h>

#ifdef __wasm__
#define IMPORT(name) __attribute__((import_module("kernel"), import_name(#name))) kernel_##name
#define EXPORT(name) __attribute__((export_name(#name))) driver_##name
#else
#define IMPORT(name) kernel_##name
#define EXPORT(name) driver_##name
#endif

uint32_t IMPORT(in8)(uint32_t port);
uint32_t IMPORT(in16)(uint32_t port);
uint32_t IMPORT(in32)(uint32_t port);
void IMPORT(out8)(uint32_t port, uint32_t value);
void IMPORT(out16)(uint32_t port, uint32_t value);
void IMPORT(out32)(uint32_t port, uint32_t value);
uint32_t IMPORT(dma_alloc)(uint32_t pages);
void IMPORT(dma_free)(uint32_t pointer, uint32_t pages);
uint64_t IMPORT(dma_address)(uint32_t pointer);
void IMPORT(wmb)(void);
void IMPORT(rmb)(void);
void IMPORT(mb)(void);
void IMPORT(log)(uint32_t message, uint32_t first, uint32_t second);
uint32_t IMPORT(phys_read8)(uint32_t pointer);
uint32_t IMPORT(phys_read16)(uint32_t pointer);
uint32_t IMPORT(phys_read32)(uint32_t pointer);
void IMPORT(phys_write8)(uint32_t pointer, uint32_t value);
void IMPORT(phys_write16)(uint32_t pointer, uint32_t value);
void IMPORT(phys_write32)(uint32_t pointer, uint32_t value);

#endif
