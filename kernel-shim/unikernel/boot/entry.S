/*
 * Where the machine begins: from the 32-bit protected mode in which QEMU's -kernel starts a PVH kernel to 64-bit C.
 * [Xen x86 direct boot ABI (PVH), docs/misc/pvh.pandoc] [Intel SDM 3A §10.8.5 Initializing IA-32e Mode]
 *
 * At `entry`: paging is off, segments are flat, EBX holds the physical address of the start information. The page
 * tables made here map the first GiB one to one, which is enough until `paging_start` makes better ones.
 */

#define CR0_MONITOR_COPROCESSOR (1 << 1)
#define CR0_EMULATION (1 << 2)
#define CR0_WRITE_PROTECT (1 << 16)
#define CR0_PAGING (1 << 31)
#define CR4_PAE (1 << 5)
#define CR4_OSFXSR (1 << 9)
#define CR4_OSXMMEXCPT (1 << 10)
#define MSR_EFER 0xc0000080
#define EFER_LONG_MODE (1 << 8)
#define EFER_NO_EXECUTE (1 << 11)

#define PAGE_PRESENT (1 << 0)
#define PAGE_WRITABLE (1 << 1)
#define PAGE_2_MIB (1 << 7)

#define XEN_ELFNOTE_PHYS32_ENTRY 18

  .section .note.Xen, "a", @note
  .balign 4
  .long 4, 8, XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .quad entry

  .section .boot, "ax", @progbits
  .code32
  .globl entry
entry:
  cld
  mov %ebx, %edi              /* first parameter of kernel_main */

  /* One table each of level 4 and 3, one of level 2 with 512 pages of 2 MiB. */
  mov $boot_level3, %eax
  or $(PAGE_PRESENT | PAGE_WRITABLE), %eax
  mov %eax, boot_level4
  mov $boot_level2, %eax
  or $(PAGE_PRESENT | PAGE_WRITABLE), %eax
  mov %eax, boot_level3
  mov $(PAGE_PRESENT | PAGE_WRITABLE | PAGE_2_MIB), %eax
  xor %ecx, %ecx
1:
  mov %eax, boot_level2(, %ecx, 8)
  add $(1 << 21), %eax
  inc %ecx
  cmp $512, %ecx
  jne 1b

  mov %cr4, %eax
  or $(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
  mov %eax, %cr4
  mov $boot_level4, %eax
  mov %eax, %cr3
  mov $MSR_EFER, %ecx
  rdmsr
  or $(EFER_LONG_MODE | EFER_NO_EXECUTE), %eax
  wrmsr
  /* The application may compute with SSE; nothing of the kernel does. */
  mov %cr0, %eax
  and $~CR0_EMULATION, %eax
  or $(CR0_MONITOR_COPROCESSOR | CR0_WRITE_PROTECT | CR0_PAGING), %eax
  mov %eax, %cr0
  lgdt boot_segments_pointer
  ljmp $8, $entry64

  .code64
entry64:
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  xor %eax, %eax
  mov %eax, %fs
  mov %eax, %gs
  mov $boot_stack_end, %rsp
  mov %edi, %edi              /* the upper half is undefined after the change of mode */
  call kernel_main
  ud2

  .section .rodata
  .balign 8
boot_segments:
  .quad 0
  .quad 0x00af9b000000ffff    /* 64-bit code */
  .quad 0x00cf93000000ffff    /* data */
boot_segments_pointer:
  .word boot_segments_pointer - boot_segments - 1
  .quad boot_segments

  .section .bss
  .balign 4096
boot_level4:
  .skip 4096
boot_level3:
  .skip 4096
boot_level2:
  .skip 4096
/* Used until the stack with guard pages exists, and by nothing that is deep. */
  .skip 8192
boot_stack_end:

  .section .note.GNU-stack, "", @progbits
