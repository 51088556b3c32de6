using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Homes.Peers;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Vduse;

namespace Vireo.Homes.Vduse;

/// <summary>Offers a device to this host's kernel, on its vDPA bus: for virtual machines, for containers, for the host itself.</summary>
/// <remarks>
/// <para>
/// Making the device does not put it on the bus: <c>vireo vdpa add NAME</c> does, from then on a driver may find it. A device that is
/// on the bus stays there when this process ends, however it ends; its requests wait for the next one, which goes on where this one
/// stopped. One that is not on the bus is removed at the end.
/// </para>
/// <para><see cref="Run"/> makes the calling thread the control thread; queues run on the loops of the group.</para>
/// </remarks>
public sealed class VduseHome : IDisposable
{
    private readonly EventLoop _control = new();
    private readonly VduseControl? _kernel;
    private readonly VduseState _state;
    private readonly VduseSession _session;
    private readonly string _name;
    private readonly ILogger _log;
    private string? _failure;
    private bool _isSessionOver;
    private bool _isDisposed;

    /// <summary>Makes a home behind an open door.</summary>
    /// <param name="name">The device's name.</param>
    /// <param name="kernel">Removes the device at the end; becomes the home's. Null leaves it.</param>
    /// <param name="door">The opened device; becomes the home's.</param>
    /// <param name="state">The state file; becomes the home's.</param>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="loops">The loops its queues run on, in turn; must outlive the home.</param>
    /// <param name="options">What is not to be as usual.</param>
    internal VduseHome(
        string name,
        VduseControl? kernel,
        IVduseDevice door,
        VduseState state,
        VirtioDevice device,
        EventLoopGroup loops,
        VduseOptions options
    )
    {
        ILogger logger = options.Logger ?? NullLogger.Instance;
        _name = name;
        _kernel = kernel;
        _state = state;
        _log = new PeerLogger(logger, name, options.Time);
        var queueLoops = new QueueLoop[loops.Count];
        for (int index = 0; index < queueLoops.Length; index++)
        {
            queueLoops[index] = new(loops[index], logger);
        }

        _session = new(door, state, device, options, _control, queueLoops, _log)
        {
            Ended = reason =>
            {
                _failure = reason;
                _control.Stop();
            },
        };
    }

    /// <summary>Makes a device with a name, or goes on with the one that an earlier process has left on the bus.</summary>
    /// <param name="name">The name below /dev/vduse and on the bus.</param>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="loops">The loops its queues run on, in turn; must outlive the home.</param>
    /// <param name="options">What is not to be as usual; null for nothing.</param>
    /// <exception cref="DeviceException">
    /// The kernel does not take such a device; another process serves it; or the one on the bus is another device.
    /// </exception>
    /// <exception cref="LinuxException">ENOENT: the module vduse is not loaded; EACCES: not allowed.</exception>
    public static VduseHome Create(string name, VirtioDevice device, EventLoopGroup loops, VduseOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(loops);
        CheckName(name);
        options ??= new();
        var kernel = VduseControl.Open();
        bool isMade = false;
        try
        {
            VduseDescription description = Describe(name, device, options.WithheldFeatures);
            // One that is not on the bus is of no use to anybody, whoever left it.
            isMade = TryCreate(kernel, description) || (TryRemove(kernel, name) && TryCreate(kernel, description));
            VduseHome home = Open(name, kernel, device, loops, options, isContinued: !isMade);
            home.Begin();
            return home;
        }
        catch
        {
            if (isMade)
            {
                kernel.TryDestroy(name);
            }

            kernel.Dispose();
            throw;
        }
    }

    /// <summary>Serves until <see cref="Stop"/>.</summary>
    /// <remarks>The calling thread becomes the home's control thread. When it returns no queue runs.</remarks>
    /// <exception cref="InvalidOperationException">The home runs already.</exception>
    /// <exception cref="DeviceException">The kernel has given the device up.</exception>
    public void Run()
    {
        _control.Run();
        EndSession();
        if (_failure is { } reason)
        {
            throw new DeviceException($"{_name}: {reason}");
        }
    }

    /// <summary>Makes <see cref="Run"/> return soon; also when it is called later. Any thread.</summary>
    public void Stop() => _control.Stop();

    /// <summary>Removes the device if it is not on the bus. <see cref="Run"/> has returned, or was never called.</summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        EndSession();
        if (_kernel is null || TryRemove(_kernel, _name))
        {
            _state.Delete();
        }
        else
        {
            _log.StaysOnBus();
        }

        _state.Dispose();
        _kernel?.Dispose();
        _control.Dispose();
    }

    /// <summary>The session with the kernel.</summary>
    internal VduseSession Session => _session;

    /// <summary>Begins to answer messages.</summary>
    internal void Begin()
    {
        try
        {
            _session.Begin();
            _log.Waiting();
        }
        catch
        {
            // What a predecessor left stays for whoever knows how to go on with it.
            EndSession();
            _state.Dispose();
            _control.Dispose();
            throw;
        }
    }

    private static VduseHome Open(
        string name,
        VduseControl kernel,
        VirtioDevice device,
        EventLoopGroup loops,
        VduseOptions options,
        bool isContinued
    )
    {
        VduseDevice door = OpenDoor(name);
        try
        {
            FeatureSet features = VduseSession.FeaturesOf(device, options.WithheldFeatures);
            string path = options.StatePath ?? VduseState.DefaultPath(name);
            if (isContinued && !File.Exists(path))
            {
                throw new DeviceException(
                    $"'{name}' is on the vDPA bus, but '{path}', which its last process left, is gone; remove it with 'vireo vdpa del {name}' and begin anew"
                );
            }

            var state = VduseState.Open(path, device, features, isContinued);
            return new(name, kernel, door, state, device, loops, options);
        }
        catch
        {
            door.Dispose();
            throw;
        }
    }

    private static VduseDevice OpenDoor(string name)
    {
        try
        {
            return VduseDevice.Open(name);
        }
        catch (LinuxException exception) when (exception.Error == Errno.EBUSY)
        {
            throw new DeviceException($"another process serves '{name}'", exception);
        }
    }

    private static void CheckName(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        bool isGood =
            System.Text.Encoding.UTF8.GetByteCount(name) <= VduseDescription.NameBytesMax
            && name is not ("." or ".." or "control");
        foreach (char letter in name)
        {
            isGood &= char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.' or ':';
        }

        if (!isGood)
        {
            throw new DeviceException(
                $"'{name}' is no name for a device: letters, digits, '-', '_', '.' and ':' make one, up to {VduseDescription.NameBytesMax} of them"
            );
        }
    }

    private static VduseDescription Describe(string name, VirtioDevice device, FeatureSet withheld)
    {
        if (device.ConfigLengthBytes > VduseDescription.ConfigBytesMax)
        {
            throw new DeviceException(
                $"the device has {device.ConfigLengthBytes} bytes of configuration, and the kernel takes {VduseDescription.ConfigBytesMax}"
            );
        }

        byte[] config = new byte[device.ConfigLengthBytes];
        device.ReadConfig(0, config);
        return new()
        {
            Name = name,
            DeviceId = (uint)device.Type,
            Features = VduseSession.FeaturesOf(device, withheld).Low,
            QueueCount = device.Queues.Count,
            Config = config,
        };
    }

    private static bool TryCreate(VduseControl kernel, VduseDescription description)
    {
        try
        {
            return kernel.TryCreate(description);
        }
        catch (LinuxException exception) when (exception.Error == Errno.EINVAL)
        {
            throw new DeviceException(
                $"this kernel takes no virtio device {description.DeviceId} ({(DeviceType)description.DeviceId}) with features "
                    + $"{new FeatureSet(description.Features)} on its vDPA bus",
                exception
            );
        }
        catch (LinuxException exception) when (exception.Error == Errno.EPERM)
        {
            throw new DeviceException(
                $"this user may not put a virtio device {description.DeviceId} ({(DeviceType)description.DeviceId}) on the vDPA bus; it takes CAP_NET_ADMIN",
                exception
            );
        }
    }

    private static bool TryRemove(VduseControl kernel, string name)
    {
        try
        {
            return kernel.TryDestroy(name);
        }
        catch (LinuxException exception) when (exception.Error == Errno.EINVAL)
        {
            // Somebody else was faster.
            return true;
        }
    }

    private void EndSession()
    {
        if (!_isSessionOver)
        {
            _isSessionOver = true;
            _session.Dispose();
        }
    }
}
