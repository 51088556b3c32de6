using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Vhost;

/// <summary>What all vhost devices take: features, rings, descriptors for kicks and calls.</summary>
/// <remarks>One thread at a time. Everything throws <see cref="LinuxException"/> with the kernel's refusal.</remarks>
public interface IVhostDevice : IDisposable
{
    /// <summary>The features on offer, 128 bits; before Linux 6.17, and where a device has no more, the upper 64 are 0.</summary>
    UInt128 ReadFeatures();

    /// <summary>Chooses features.</summary>
    /// <param name="features">A subset of those on offer.</param>
    void AcceptFeatures(UInt128 features);

    /// <summary>Tells where a ring is and where it begins. It does not run.</summary>
    /// <param name="index">Which ring.</param>
    /// <param name="ring">The ring.</param>
    void SetRing(int index, in VhostRing ring);

    /// <summary>Where a ring stands.</summary>
    /// <param name="index">Which ring.</param>
    /// <returns>As in <see cref="VhostRing.Position"/>.</returns>
    uint ReadPosition(int index);

    /// <summary>Gives the descriptor that announces available buffers.</summary>
    /// <param name="index">Which ring.</param>
    /// <param name="kick">An eventfd; stays the caller's. Null for none.</param>
    void SetKick(int index, SafeFileHandle? kick);

    /// <summary>Gives the descriptor that announces used buffers.</summary>
    /// <param name="index">Which ring.</param>
    /// <param name="call">An eventfd; stays the caller's. Null for none.</param>
    void SetCall(int index, SafeFileHandle? call);
}
