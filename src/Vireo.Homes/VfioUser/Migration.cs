using Vireo.Core.Contract;
using Vireo.Core.Transports.Pci;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;

namespace Vireo.Homes.VfioUser;

/// <summary>Moves the state of a function out of one server and into another, as VFIO's migration states have it.</summary>
/// <remarks>
/// <code>
///   running &lt;---&gt; stop &lt;---&gt; stop-copy   (the state is read)
///   pre-copy &lt;-----^
///                  '------&gt; resuming        (the state is written; taken on the way back)
/// </code>
/// Every other way leads over stop. A state that cannot be taken ends in error, which only a reset leaves. Control thread.
/// </remarks>
internal sealed class Migration
{
    /// <summary>More than the state of any function with the longest a device may add.</summary>
    private const int StateBytesMax = IStatefulDevice.StateBytesMax + (1 << 20);

    private readonly PciFunction _function;

    /// <summary>What is being read or written.</summary>
    private List<byte> _data = [];

    /// <summary>How much of it has been read.</summary>
    private int _read;

    /// <summary>Begins with a device that runs.</summary>
    /// <param name="function">The function.</param>
    public Migration(PciFunction function) => _function = function;

    /// <summary>Where the migration stands.</summary>
    public MigrationState State { get; private set; } = MigrationState.Running;

    /// <summary>Whether the device runs.</summary>
    public bool IsRunning => State is MigrationState.Running or MigrationState.PreCopy;

    /// <summary>Goes to a state.</summary>
    /// <param name="wanted">Which.</param>
    /// <exception cref="RefusalException">There is no way, or the state that was written is none.</exception>
    public void GoTo(MigrationState wanted)
    {
        if (
            wanted
            is not (
                MigrationState.Stop
                or MigrationState.Running
                or MigrationState.StopCopy
                or MigrationState.Resuming
                or MigrationState.PreCopy
            )
        )
        {
            throw new RefusalException($"there is no migration state {(uint)wanted} to go to");
        }

        if (State == MigrationState.Error)
        {
            throw new RefusalException("a migration has failed; only a reset helps");
        }

        if (State == wanted)
        {
            return;
        }

        if (IsRunning && wanted is (MigrationState.Running or MigrationState.PreCopy))
        {
            // The device does the same in both.
            State = wanted;
            return;
        }

        LeaveForStop();
        if (wanted != MigrationState.Stop)
        {
            Enter(wanted);
        }
    }

    /// <summary>Reads on in the state.</summary>
    /// <param name="count">How many bytes at most.</param>
    /// <returns>The bytes; fewer when there are no more.</returns>
    /// <exception cref="RefusalException">No state is being read.</exception>
    public ReadOnlySpan<byte> Read(int count)
    {
        if (State == MigrationState.PreCopy)
        {
            return [];
        }

        if (State != MigrationState.StopCopy)
        {
            throw new RefusalException($"the state is not being read: the device is in state {State}");
        }

        int length = Math.Min(count, _data.Count - _read);
        byte[] part = [.. _data.GetRange(_read, length)];
        _read += length;
        return part;
    }

    /// <summary>Writes on in the state.</summary>
    /// <param name="data">The bytes.</param>
    /// <exception cref="RefusalException">No state is being written, or this is more than a state has.</exception>
    public void Write(ReadOnlySpan<byte> data)
    {
        if (State != MigrationState.Resuming)
        {
            throw new RefusalException($"the state is not being written: the device is in state {State}");
        }

        if (data.Length > StateBytesMax - _data.Count)
        {
            throw new RefusalException(Errno.ENOSPC, $"a state has at most {StateBytesMax} bytes");
        }

        _data.AddRange(data);
    }

    /// <summary>The device has been reset, or its client has gone: it runs.</summary>
    public void Reset()
    {
        if (!IsRunning)
        {
            _function.Lifecycle.Release();
        }

        State = MigrationState.Running;
        _data = [];
    }

    private void LeaveForStop()
    {
        switch (State)
        {
            case MigrationState.Running:
            case MigrationState.PreCopy:
                _function.Lifecycle.Hold();
                break;
            case MigrationState.Resuming:
                Load();
                break;
            default:
                break;
        }

        State = MigrationState.Stop;
        _data = [];
        _read = 0;
    }

    private void Enter(MigrationState wanted)
    {
        State = wanted;
        if (IsRunning)
        {
            _function.Lifecycle.Release();
        }
        else if (wanted == MigrationState.StopCopy)
        {
            _data = Save();
        }
    }

    private List<byte> Save()
    {
        try
        {
            return [.. _function.Save()];
        }
        catch (DeviceException exception)
        {
            State = MigrationState.Stop;
            throw new RefusalException(exception.Message, exception);
        }
    }

    private void Load()
    {
        try
        {
            _function.Load(_data.ToArray());
        }
        catch (DeviceException exception)
        {
            State = MigrationState.Error;
            throw new RefusalException(exception.Message, exception);
        }
    }
}
