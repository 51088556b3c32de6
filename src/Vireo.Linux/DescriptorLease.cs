using System.Runtime.InteropServices;

namespace Vireo.Linux;

/// <summary>The number of an open descriptor, good for as long as the lease lives.</summary>
/// <remarks>
/// For descriptors that have to stand inside a structure or a path (<c>/proc/self/fd/N</c>). The lease holds a reference on
/// the handle, so a concurrent Dispose cannot close the number, and the kernel cannot give it to another file, in between.
/// Use it in a <c>using</c> declaration; it is the only place that looks at the raw number.
/// </remarks>
public ref struct DescriptorLease
{
    private SafeHandle? _handle;

    /// <summary>Takes a reference on an open descriptor.</summary>
    /// <param name="handle">The descriptor. It stays the caller's.</param>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    public DescriptorLease(SafeHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        bool isHeld = false;
        handle.DangerousAddRef(ref isHeld);
        _handle = handle;
#pragma warning disable RS0030 // JUSTIFICATION: this is the lease; the reference taken above keeps the number valid.
        Number = checked((int)handle.DangerousGetHandle());
#pragma warning restore RS0030
    }

    /// <summary>The descriptor's number in this process.</summary>
    public int Number { get; }

    /// <summary>Gives the reference back. A second call does nothing.</summary>
    public void Dispose()
    {
        SafeHandle? handle = _handle;
        _handle = null;
        handle?.DangerousRelease();
    }
}
