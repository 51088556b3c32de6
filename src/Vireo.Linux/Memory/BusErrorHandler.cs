using System.Runtime.InteropServices;
using Vireo.Linux.Native;

namespace Vireo.Linux.Memory;

/// <summary>The process' handler of SIGBUS: its instructions, and the table of ranges that they look at.</summary>
/// <remarks>
/// The table lies in memory of its own. A slot is added by writing its end last and removed by clearing its end first, so that the
/// handler, which may run on any thread at any time, never sees half a range.
/// </remarks>
internal sealed unsafe class BusErrorHandler
{
    /// <summary>How many ranges can be guarded at once.</summary>
    private const int SlotsMax = 16383;

    private const int SlotBytes = 64;

    /// <summary>The header of the table is as long as a slot.</summary>
    private const int TableBytes = (SlotsMax + 1) * SlotBytes;

    private static readonly Lazy<BusErrorHandler?> Made = new(TryMake);

    private readonly MemoryMapping _table;
    private readonly Lock _gate = new();
    private readonly Stack<int> _free = new();

    /// <summary>The handler's instructions, kept here so that they stay mapped.</summary>
    private MemoryMapping? _code;

    private BusErrorHandler(MemoryMapping table) => _table = table;

    /// <summary>The handler; null where there can be none.</summary>
    public static BusErrorHandler? Instance => Made.Value;

    // SAFETY: the table is mapped for the life of the process and as long as the header and all slots.
    private Header* Head => (Header*)_table.Address;

    /// <summary>Adds a range.</summary>
    /// <returns>Its slot.</returns>
    public int Add(nint first, nint end, long pageBytes, int alarm)
    {
        lock (_gate)
        {
            if (!_free.TryPop(out int index))
            {
                if (Head->Count == SlotsMax)
                {
                    throw new InvalidOperationException($"{SlotsMax} ranges of memory are guarded already");
                }

                index = (int)Head->Count;
            }

            Slot* slot = SlotAt(index);
            slot->First = first;
            slot->Hits = 0;
            slot->PageBytes = pageBytes;
            slot->Alarm = alarm;
            // Release: the handler takes the range as valid when it sees the end.
            Volatile.Write(ref slot->End, end);
            if (index == Head->Count)
            {
                // Release: the slot is complete before the handler looks at it.
                Volatile.Write(ref Head->Count, index + 1);
            }

            return index;
        }
    }

    /// <summary>Removes a range; its memory is still mapped.</summary>
    public void Remove(int index)
    {
        lock (_gate)
        {
            // Release: nothing is taken for part of the range from here on.
            Volatile.Write(ref SlotAt(index)->End, 0);
            _free.Push(index);
        }
    }

    /// <summary>How many pages of a range were found missing.</summary>
    // Acquire: what the handler did before it counted.
    public long HitsOf(int index) => Volatile.Read(ref SlotAt(index)->Hits);

    private static BusErrorHandler? TryMake()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return null;
        }

        sigaction_t previous;
        // SAFETY: asks for the handler that is there; the kernel fills the structure.
        if (LibC.sigaction(LibC.SIGBUS, null, &previous) < 0 || previous.sa_handler is 0 or 1)
        {
            return null;
        }

        BusErrorHandler made = new(MemoryMapping.MapAnonymous(TableBytes));
        made.Head->One = 1;
        return made.TryInstall(previous) ? made : null;
    }

    /// <summary>Makes the code and puts it in the place of the runtime's handler, which it calls for what is not ours.</summary>
    private bool TryInstall(sigaction_t previous)
    {
        byte[] code = BusErrorCode.ForX64(_table.Address, previous.sa_handler);
        var page = MemoryMapping.MapAnonymous((nuint)code.Length);
        code.CopyTo(page.GetSpan(0, code.Length));
        // Never writable and executable at once: hosts that forbid the one may allow the other.
        if (LibC.mprotect(page.Address, page.Length, LibC.PROT_READ | LibC.PROT_EXEC) < 0)
        {
            page.Dispose();
            return false;
        }

        sigaction_t ours = previous;
        ours.sa_handler = page.Address;
        _code = page;
        // SAFETY: the page holds a complete handler for this processor; it and the table live as long as the process.
        return LibC.sigaction(LibC.SIGBUS, &ours, null) == 0;
    }

    // SAFETY: the callers' indices come from Add, which keeps them below the number of slots.
    private Slot* SlotAt(int index) => (Slot*)(_table.Address + (nint)SlotBytes * (index + 1));

    /// <summary>The beginning of the table, as the code knows it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = SlotBytes)]
    private struct Header
    {
        /// <summary>How many slots have ever been in use.</summary>
        public long Count;

        /// <summary>What is written to an alarm.</summary>
        public long One;
    }

    /// <summary>One range, as the code knows it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = SlotBytes)]
    private struct Slot
    {
        /// <summary>First byte; aligned to pages.</summary>
        public nint First;

        /// <summary>The byte behind the last; 0 in a slot that is not in use.</summary>
        public nint End;

        /// <summary>How many pages were found missing.</summary>
        public long Hits;

        /// <summary>Size of a page.</summary>
        public long PageBytes;

        /// <summary>Descriptor to signal.</summary>
        public int Alarm;
    }
}
