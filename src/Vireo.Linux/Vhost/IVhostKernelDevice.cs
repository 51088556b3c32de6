using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Vhost;

/// <summary>A device whose queues the kernel itself runs. Addresses of rings are this process'.</summary>
/// <remarks>As for <see cref="IVhostDevice"/>, but where something else is said. Which of the last five a device takes is the device's affair.</remarks>
public interface IVhostKernelDevice : IVhostDevice
{
    /// <summary>Tells where the driver's memory is; replaces what was told before.</summary>
    /// <param name="regions">All regions.</param>
    void SetMemory(ReadOnlySpan<VhostRegion> regions);

    /// <summary>Readable when the device has missed a translation; stays the device's.</summary>
    SafeFileHandle Misses { get; }

    /// <summary>
    /// Has the device ask for translations from now on: once it has accepted ACCESS_PLATFORM, and for as long as it lives. Addresses of
    /// rings are the driver's then.
    /// </summary>
    void UseTranslations();

    /// <summary>What the device has missed; any thread.</summary>
    /// <param name="address">The driver's address.</param>
    /// <param name="access">What the device wants to do there.</param>
    /// <returns>False when it has missed nothing more.</returns>
    bool TryReadMiss(out ulong address, out VhostAccess access);

    /// <summary>Tells a translation; rings that wait for it go on. Any thread.</summary>
    /// <param name="translation">The translation.</param>
    void Translate(in VhostTranslation translation);

    /// <summary>Takes translations back. Any thread.</summary>
    /// <param name="address">The driver's first address.</param>
    /// <param name="lengthBytes">Length in bytes, at least 1.</param>
    void ForgetTranslations(ulong address, ulong lengthBytes);

    /// <summary>Runs a ring of a network card on a tap, or stops it.</summary>
    /// <param name="index">Which ring.</param>
    /// <param name="tap">A queue of the tap; stays the caller's. Null stops the ring, after what is in flight.</param>
    void SetNetBackend(int index, SafeFileHandle? tap);

    /// <summary>Sets the address of a vsock device's guest.</summary>
    /// <param name="contextId">The address, from 3.</param>
    void SetContextId(ulong contextId);

    /// <summary>Runs all rings of a vsock device, or stops them.</summary>
    /// <param name="isRunning">Whether they are to run.</param>
    void SetSocketsRunning(bool isRunning);

    /// <summary>Runs all rings of a SCSI host that are set up, on a target.</summary>
    /// <param name="target">Its name, 1 to 223 bytes.</param>
    void SetScsiTarget(string target);

    /// <summary>Stops all rings of a SCSI host, after what is in flight.</summary>
    /// <param name="target">The target they run on.</param>
    void ClearScsiTarget(string target);
}
