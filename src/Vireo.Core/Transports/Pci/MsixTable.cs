using System.Buffers.Binary;
using Vireo.Core.Contract;

namespace Vireo.Core.Transports.Pci;

/// <summary>The MSI-X table and pending bits of a function, and the masks in them.</summary>
/// <remarks>
/// Accesses come from the control thread, messages from any. Where a client keeps the table itself, this one is only memory:
/// no mask holds a message back.
/// </remarks>
internal sealed class MsixTable
{
    /// <summary>Length of a table entry: address, data, control.</summary>
    public const int EntryBytes = 16;

    /// <summary>The most vectors a function may have.</summary>
    public const int VectorsMax = 0x800;

    private const int DataOffset = 8;
    private const int ControlOffset = 12;

    private readonly Lock _lock = new();
    private readonly IPciHost _host;
    private readonly bool _isElsewhere;
    private readonly byte[] _entries;

    /// <summary>One bit for each vector with a message that a mask holds back.</summary>
    private readonly ulong[] _pending;

    private bool _isFunctionMasked;

    /// <summary>Written by the control thread, read by whoever calls.</summary>
    private volatile bool _isEnabled;

    public MsixTable(int vectors, IPciHost host, bool isElsewhere)
    {
        _host = host;
        _isElsewhere = isElsewhere;
        VectorCount = vectors;
        _entries = new byte[vectors * EntryBytes];
        _pending = new ulong[(vectors + 63) / 64];
        MaskAll();
    }

    /// <summary>How many vectors there are.</summary>
    public int VectorCount { get; }

    /// <summary>Length of the table in bytes.</summary>
    public int TableBytes => _entries.Length;

    /// <summary>Length of the pending bits in bytes.</summary>
    public int PendingBytes => _pending.Length * sizeof(ulong);

    /// <summary>Whether the driver has enabled MSI-X.</summary>
    public bool IsEnabled => _isEnabled;

    /// <summary>Takes the driver's message control.</summary>
    public void Configure(bool isEnabled, bool isFunctionMasked)
    {
        lock (_lock)
        {
            _isEnabled = isEnabled;
            _isFunctionMasked = isFunctionMasked;
        }

        SendUnmasked();
    }

    /// <summary>Sends a message, or keeps it until it is unmasked.</summary>
    /// <param name="vector">Which; below the count.</param>
    public void Send(int vector)
    {
        if (!_isElsewhere)
        {
            lock (_lock)
            {
                if (IsMasked(vector))
                {
                    _pending[vector / 64] |= 1ul << vector % 64;
                    return;
                }
            }
        }

        _host.CallVector(vector);
    }

    /// <summary>The message of a vector, as the driver wrote it.</summary>
    public (ulong Address, uint Data) MessageOf(int vector)
    {
        lock (_lock)
        {
            ReadOnlySpan<byte> entry = _entries.AsSpan(vector * EntryBytes, EntryBytes);
            return (
                BinaryPrimitives.ReadUInt64LittleEndian(entry),
                BinaryPrimitives.ReadUInt32LittleEndian(entry[DataOffset..])
            );
        }
    }

    /// <summary>Reads the table; past its end there are zeros.</summary>
    public void Read(ulong offset, Span<byte> destination)
    {
        lock (_lock)
        {
            Copy(_entries, offset, destination);
        }
    }

    /// <summary>Reads the pending bits; past their end there are zeros.</summary>
    public void ReadPending(ulong offset, Span<byte> destination)
    {
        Span<byte> bits = stackalloc byte[VectorsMax / 8];
        lock (_lock)
        {
            for (int index = 0; index < _pending.Length; index++)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(bits[(index * sizeof(ulong))..], _pending[index]);
            }
        }

        Copy(bits[..PendingBytes], offset, destination);
    }

    /// <summary>Writes the table; of the control word, only the mask can be written.</summary>
    public void Write(ulong offset, ReadOnlySpan<byte> source)
    {
        lock (_lock)
        {
            for (int index = 0; index < source.Length && offset + (ulong)index < (ulong)_entries.Length; index++)
            {
                int at = (int)offset + index;
                _entries[at] = (at % EntryBytes) switch
                {
                    < ControlOffset => source[index],
                    ControlOffset => (byte)(source[index] & 1),
                    _ => 0,
                };
            }
        }

        SendUnmasked();
    }

    /// <summary>Back to the state after power-on: all masked, nothing pending.</summary>
    public void Reset()
    {
        lock (_lock)
        {
            _isEnabled = false;
            _isFunctionMasked = false;
            Array.Clear(_entries);
            Array.Clear(_pending);
            MaskAll();
        }
    }

    /// <summary>Writes the table and what is held back.</summary>
    public void Save(StateWriter writer)
    {
        lock (_lock)
        {
            writer.Write(_entries);
            foreach (ulong bits in _pending)
            {
                writer.Write64(bits);
            }
        }
    }

    /// <summary>Brings them back; MSI-X is not enabled then.</summary>
    /// <exception cref="DeviceException">There are more or fewer vectors.</exception>
    public void Load(ref StateReader reader)
    {
        ReadOnlySpan<byte> entries = reader.ReadExactly("the MSI-X table", _entries.Length);
        Write(0, entries);
        lock (_lock)
        {
            for (int index = 0; index < _pending.Length; index++)
            {
                _pending[index] = reader.Read64();
            }
        }
    }

    private static void Copy(ReadOnlySpan<byte> source, ulong offset, Span<byte> destination)
    {
        if (offset < (ulong)source.Length)
        {
            ReadOnlySpan<byte> rest = source[(int)offset..];
            rest[..Math.Min(rest.Length, destination.Length)].CopyTo(destination);
        }
    }

    private bool IsMasked(int vector) => _isFunctionMasked || (_entries[vector * EntryBytes + ControlOffset] & 1) != 0;

    private void MaskAll()
    {
        for (int vector = 0; vector < VectorCount; vector++)
        {
            _entries[vector * EntryBytes + ControlOffset] = 1;
        }
    }

    /// <summary>Sends what was held back and is no longer masked.</summary>
    private void SendUnmasked()
    {
        if (_isElsewhere || !_isEnabled)
        {
            return;
        }

        for (int vector = 0; vector < VectorCount; vector++)
        {
            if (TryTakePending(vector))
            {
                _host.CallVector(vector);
            }
        }
    }

    private bool TryTakePending(int vector)
    {
        ulong bit = 1ul << vector % 64;
        lock (_lock)
        {
            if ((_pending[vector / 64] & bit) == 0 || IsMasked(vector))
            {
                return false;
            }

            _pending[vector / 64] &= ~bit;
            return true;
        }
    }
}
