using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vireo.Core.Spec;

/// <summary>The one door between bytes and the structures that travel on wires and in shared memory.</summary>
/// <remarks>
/// Rooms without unsafe code parse and build messages through it. Every call checks sizes; none checks values.
/// Structures are copied, so a peer that goes on writing cannot change what was read.
/// </remarks>
public static class Wire
{
    /// <summary>The size of a structure on the wire, in bytes.</summary>
    /// <typeparam name="T">A structure with explicit or sequential layout.</typeparam>
    public static int SizeOf<T>()
        where T : unmanaged => Unsafe.SizeOf<T>();

    /// <summary>Reads a structure from the start of a byte range.</summary>
    /// <returns>False when the range is shorter than the structure; <paramref name="value"/> is then all zeros.</returns>
    public static bool TryRead<T>(ReadOnlySpan<byte> source, out T value)
        where T : unmanaged => MemoryMarshal.TryRead(source, out value);

    /// <summary>Reads a structure from the start of a byte range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is shorter than the structure.</exception>
    public static T Read<T>(ReadOnlySpan<byte> source)
        where T : unmanaged => MemoryMarshal.Read<T>(source);

    /// <summary>Writes a structure to the start of a byte range.</summary>
    /// <returns>False when the range is shorter than the structure; nothing is written then.</returns>
    public static bool TryWrite<T>(Span<byte> destination, in T value)
        where T : unmanaged => MemoryMarshal.TryWrite(destination, in value);

    /// <summary>Writes a structure to the start of a byte range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is shorter than the structure.</exception>
    public static void Write<T>(Span<byte> destination, in T value)
        where T : unmanaged => MemoryMarshal.Write(destination, in value);

    /// <summary>The bytes of a structure, in place.</summary>
    /// <param name="value">The structure; must outlive the returned span.</param>
    public static Span<byte> Bytes<T>([UnscopedRef] ref T value)
        where T : unmanaged => MemoryMarshal.AsBytes(new Span<T>(ref value));

    /// <summary>Shows a range of one structure as a range of another of any size, in place.</summary>
    /// <remarks>Bytes past the last whole <typeparamref name="TTo"/> are left out.</remarks>
    public static ReadOnlySpan<TTo> Reinterpret<TFrom, TTo>(ReadOnlySpan<TFrom> source)
        where TFrom : unmanaged
        where TTo : unmanaged => MemoryMarshal.Cast<TFrom, TTo>(source);

    /// <inheritdoc cref="Reinterpret{TFrom,TTo}(ReadOnlySpan{TFrom})"/>
    public static Span<TTo> Reinterpret<TFrom, TTo>(Span<TFrom> source)
        where TFrom : unmanaged
        where TTo : unmanaged => MemoryMarshal.Cast<TFrom, TTo>(source);

    /// <summary>Copies the part of a structure that a configuration-space read asks for.</summary>
    /// <param name="value">The whole configuration structure.</param>
    /// <param name="offset">Byte offset of the read in the structure; may lie past its end.</param>
    /// <param name="destination">Filled with the bytes; what lies past the structure reads as zero.</param>
    public static void ReadAt<T>(in T value, int offset, Span<byte> destination)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value));
        destination.Clear();
        if ((uint)offset < (uint)bytes.Length)
        {
            ReadOnlySpan<byte> rest = bytes[offset..];
            rest[..Math.Min(rest.Length, destination.Length)].CopyTo(destination);
        }
    }
}
