using System.Buffers.Binary;

namespace Vireo.Linux.Memory;

/// <summary>The instructions of the handler of SIGBUS.</summary>
/// <remarks>
/// In C: <code>
/// for (slot = table + 1; slot != table + 1 + table->count; slot++)
///     if (info->si_addr >= slot->first &amp;&amp; info->si_addr &lt; slot->end) {
///         slot->hits++;
///         if (mmap(info->si_addr &amp; -slot->page, slot->page, 3, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) is an error) break;
///         write(slot->alarm, &amp;table->one, 8);
///         return;
///     }
/// return previous(signal, info, context);
/// </code>
/// It calls the kernel without the C library, so that not even errno changes. All registers but the stack pointer are free to use: the
/// kernel restores those of the interrupted code.
/// </remarks>
internal static class BusErrorCode
{
    /// <summary>The instructions for x86-64.</summary>
    /// <param name="table">Address of the table of ranges.</param>
    /// <param name="previous">The handler that is called for everything else.</param>
    public static byte[] ForX64(nint table, nint previous)
    {
        Assembly code = new();
        code.Add(0x49, 0x89, 0xFC); // mov r12, rdi        the signal
        code.Add(0x49, 0x89, 0xF5); // mov r13, rsi        its information
        code.Add(0x49, 0x89, 0xD6); // mov r14, rdx        the context
        code.Add(0x48, 0x8B, 0x46, 0x10); // mov rax, [rsi+16]   the address that was touched
        code.Add(0x48, 0xBB); // mov rbx, table
        code.AddNumber(table);
        code.Add(0x49, 0x89, 0xDF); // mov r15, rbx
        code.Add(0x4C, 0x8B, 0x03); // mov r8, [rbx]       how many slots
        code.Add(0x48, 0x83, 0xC3, 0x40); // add rbx, 64         the first slot
        int loop = code.Length;
        code.Add(0x4D, 0x85, 0xC0); // test r8, r8
        int toPrevious = code.AddJump(0x74); // jz previous
        code.Add(0x48, 0x3B, 0x03); // cmp rax, [rbx]      below the first byte?
        int toNext = code.AddJump(0x72); // jb next
        code.Add(0x48, 0x3B, 0x43, 0x08); // cmp rax, [rbx+8]    behind the last?
        int toNextToo = code.AddJump(0x73); // jae next
        code.Add(0xF0, 0x48, 0xFF, 0x43, 0x10); // lock inc [rbx+16]
        code.Add(0x48, 0x8B, 0x73, 0x18); // mov rsi, [rbx+24]   length: a page
        code.Add(0x48, 0x89, 0xF7); // mov rdi, rsi
        code.Add(0x48, 0xF7, 0xDF); // neg rdi
        code.Add(0x48, 0x21, 0xC7); // and rdi, rax        address: that page's
        code.Add(0xBA, 0x03, 0x00, 0x00, 0x00); // mov edx, 3          to be read and written
        code.Add(0x41, 0xBA, 0x32, 0x00, 0x00, 0x00); // mov r10d, 0x32      private, fixed, anonymous
        code.Add(0x49, 0xC7, 0xC0, 0xFF, 0xFF, 0xFF, 0xFF); // mov r8, -1
        code.Add(0x45, 0x31, 0xC9); // xor r9d, r9d
        code.Add(0xB8, 0x09, 0x00, 0x00, 0x00); // mov eax, 9          mmap
        code.Add(0x0F, 0x05); // syscall
        code.Add(0x48, 0x3D, 0x01, 0xF0, 0xFF, 0xFF); // cmp rax, -4095      an error?
        int toPreviousToo = code.AddJump(0x73); // jae previous
        code.Add(0x8B, 0x7B, 0x20); // mov edi, [rbx+32]   the alarm
        code.Add(0x49, 0x8D, 0x77, 0x08); // lea rsi, [r15+8]    a one
        code.Add(0xBA, 0x08, 0x00, 0x00, 0x00); // mov edx, 8
        code.Add(0xB8, 0x01, 0x00, 0x00, 0x00); // mov eax, 1          write
        code.Add(0x0F, 0x05); // syscall
        code.Add(0xC3); // ret                 touch it again
        code.Land(toNext);
        code.Land(toNextToo);
        code.Add(0x48, 0x83, 0xC3, 0x40); // add rbx, 64
        code.Add(0x49, 0xFF, 0xC8); // dec r8
        code.JumpBack(0xEB, loop); // jmp loop
        code.Land(toPrevious);
        code.Land(toPreviousToo);
        code.Add(0x4C, 0x89, 0xE7); // mov rdi, r12
        code.Add(0x4C, 0x89, 0xEE); // mov rsi, r13
        code.Add(0x4C, 0x89, 0xF2); // mov rdx, r14
        code.Add(0x48, 0xB8); // mov rax, previous
        code.AddNumber(previous);
        code.Add(0xFF, 0xE0); // jmp rax
        return code.ToArray();
    }

    /// <summary>Bytes of code, with jumps whose goals come later.</summary>
    private sealed class Assembly
    {
        private readonly List<byte> _bytes = [];

        public int Length => _bytes.Count;

        public void Add(params ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

        public void AddNumber(nint number)
        {
            Span<byte> bytes = stackalloc byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
            _bytes.AddRange(bytes);
        }

        /// <summary>A short jump; its distance is filled in by Land.</summary>
        public int AddJump(byte operation)
        {
            Add(operation, 0);
            return Length;
        }

        /// <summary>The jump goes here.</summary>
        public void Land(int jump) => _bytes[jump - 1] = checked((byte)(Length - jump));

        public void JumpBack(byte operation, int goal)
        {
            Add(operation, 0);
            _bytes[^1] = unchecked((byte)checked((sbyte)(goal - Length)));
        }

        public byte[] ToArray() => [.. _bytes];
    }
}
