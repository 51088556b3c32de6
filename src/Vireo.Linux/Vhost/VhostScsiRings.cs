using System.Text;

namespace Vireo.Linux.Vhost;

/// <summary>The rings of <c>/dev/vhost-scsi</c> on a target of the kernel's: control, events, then requests.</summary>
/// <remarks>
/// The kernel takes a target for all rings at once, looks at the rings that are set up when it does, and lets none be set up while it
/// has one. So each start and each stop takes the target away, after what is in flight, and gives it back to the rings that run.
/// </remarks>
public sealed class VhostScsiRings : IVhostRings
{
    /// <summary>The longest name of a target, in bytes: the kernel's structure has room for one more, which is 0.</summary>
    public const int TargetBytesMax = 223;

    /// <summary>How many rings for requests there may be: fewer than the kernel allows at most, and as many as it always allows.</summary>
    public const int RequestRingsMax = 128;

    private readonly string _target;
    private readonly bool[] _isStarted;
    private bool _hasEndpoint;

    /// <summary>Takes a target.</summary>
    /// <param name="target">Its name in the kernel's configuration (<c>target/vhost/NAME</c>), such as <c>naa.600140554cf3a18e</c>.</param>
    /// <param name="requestRings">How many rings for requests, from 1.</param>
    /// <exception cref="ArgumentException">The name is empty or too long.</exception>
    public VhostScsiRings(string target, int requestRings)
    {
        ArgumentException.ThrowIfNullOrEmpty(target);
        ArgumentOutOfRangeException.ThrowIfLessThan(requestRings, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(requestRings, RequestRingsMax);
        if (Encoding.UTF8.GetByteCount(target) > TargetBytesMax)
        {
            throw new ArgumentException($"a target's name has at most {TargetBytesMax} bytes", nameof(target));
        }

        _target = target;
        _isStarted = new bool[requestRings + 2];
    }

    /// <inheritdoc/>
    public int Count => _isStarted.Length;

    /// <inheritdoc/>
    public void Prepare(IVhostKernelDevice device, int index) => Detach(device);

    /// <inheritdoc/>
    public void Start(IVhostKernelDevice device, int index)
    {
        ArgumentNullException.ThrowIfNull(device);
        _isStarted[index] = true;
        Attach(device);
    }

    /// <inheritdoc/>
    public void Stop(IVhostKernelDevice device, int index)
    {
        ArgumentNullException.ThrowIfNull(device);
        Detach(device);
        _isStarted[index] = false;
        // A ring without kicks is one that the kernel leaves alone.
        device.SetKick(index, null);
        Attach(device);
    }

    private void Attach(IVhostKernelDevice device)
    {
        if (!_hasEndpoint && Array.Exists(_isStarted, static isStarted => isStarted))
        {
            device.SetScsiTarget(_target);
            _hasEndpoint = true;
        }
    }

    private void Detach(IVhostKernelDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (_hasEndpoint)
        {
            _hasEndpoint = false;
            device.ClearScsiTarget(_target);
        }
    }
}
