using System.Runtime.InteropServices;
using Vireo.Backends.Block.Engines;
using Vireo.Core.Memory;

namespace Vireo.Backends.Block.Raw;

/// <summary>What remains of one request: the kernel may do any part of it at a time.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct RawRequest
{
    /// <summary>What the engine is doing at present.</summary>
    public FileOperation Operation;

    /// <summary>With which descriptor.</summary>
    public FileChoice File;

    /// <summary>Whether this is a discard, which is done also when the host cannot do it.</summary>
    public bool IsDiscard;

    /// <summary>Whether each piece of a write is to be stable.</summary>
    public bool IsStable;

    /// <summary>The bounce buffer in use; -1 for none.</summary>
    public int Bounce;

    /// <summary>How often the kernel has asked to try again without doing anything.</summary>
    public int Retries;

    /// <summary>First byte on the disk of what remains.</summary>
    public long OffsetBytes;

    /// <summary>Bytes that remain.</summary>
    public long RemainingBytes;

    /// <summary>Memory of what remains.</summary>
    public ArraySegment<Segment> Rest;

    /// <summary>The first of <see cref="Rest"/> as it was before it was cut down.</summary>
    private Segment _whole;

    /// <summary>Whether the first of <see cref="Rest"/> was cut down.</summary>
    private bool _isCut;

    /// <summary>Notes that bytes were moved.</summary>
    /// <param name="bytes">How many; at most what remains.</param>
    public void Advance(int bytes)
    {
        OffsetBytes += bytes;
        RemainingBytes -= bytes;
        while (bytes > 0)
        {
            Span<Segment> rest = Rest.AsSpan();
            int length = rest[0].Length;
            if (bytes < length)
            {
                if (!_isCut)
                {
                    _isCut = true;
                    _whole = rest[0];
                }

                rest[0] = rest[0].Slice(bytes, length - bytes);
                return;
            }

            bytes -= length;
            PutBack();
            Rest = Rest[1..];
        }
    }

    /// <summary>The request ends: its segments are again as they were.</summary>
    public void Restore()
    {
        PutBack();
        Rest = default;
    }

    private void PutBack()
    {
        if (_isCut)
        {
            _isCut = false;
            Rest.AsSpan()[0] = _whole;
        }
    }

    /// <summary>Copies the first bytes that remain to another place.</summary>
    public readonly void CopyTo(Span<byte> destination)
    {
        foreach (ref readonly Segment segment in Rest.AsSpan())
        {
            int count = Math.Min(segment.Length, destination.Length);
            segment.Bytes[..count].CopyTo(destination);
            destination = destination[count..];
        }
    }

    /// <summary>Copies bytes to the memory that remains.</summary>
    public readonly void CopyFrom(ReadOnlySpan<byte> source)
    {
        foreach (ref readonly Segment segment in Rest.AsSpan())
        {
            int count = Math.Min(segment.Length, source.Length);
            source[..count].CopyTo(segment.Bytes);
            source = source[count..];
        }
    }

    /// <summary>Fills the memory that remains with zeroes.</summary>
    public readonly void Clear()
    {
        foreach (ref readonly Segment segment in Rest.AsSpan())
        {
            segment.Bytes.Clear();
        }
    }
}
