using Vireo.Core.Contract;

namespace Vireo.Core.Transports.Pci;

/// <content>The state of a function that stands still, to go on with elsewhere.</content>
public sealed partial class PciFunction
{
    /// <summary>What a state begins with: "VPCI".</summary>
    private const uint StateMagic = 0x4943_5056;

    private const uint StateVersion = 1;

    /// <summary>Writes the state of the function: registers, vectors, where each queue stands, and what the device adds.</summary>
    /// <returns>The state.</returns>
    /// <exception cref="DeviceException">The device cannot save its own part now.</exception>
    /// <remarks>The lifecycle must be held (<see cref="DeviceLifecycle.Hold"/>), so that nothing moves.</remarks>
    public byte[] Save()
    {
        StateWriter writer = new();
        writer.Write32(StateMagic);
        writer.Write32(StateVersion);
        writer.Write32((uint)_core.Device.Type);
        writer.Write(_config.Values);
        _vectors.Save(writer);
        writer.Write16(_common.ConfigVector);
        writer.Write8((int)_line.Status);
        _core.Save(writer);
        _admin?.Save(writer);
        writer.Write((_device as IStatefulDevice)?.SaveState() ?? []);
        return writer.ToArray();
    }

    /// <summary>Brings back the state of a function of the same device type, with as many queues and vectors.</summary>
    /// <param name="state">What <see cref="Save"/> returned elsewhere; not trusted.</param>
    /// <exception cref="DeviceException">It is no such state. The function is then as after power-on.</exception>
    /// <remarks>The lifecycle must be held; the queues run when it is released.</remarks>
    public void Load(ReadOnlySpan<byte> state)
    {
        Reset();
        try
        {
            LoadFresh(state);
        }
        catch (DeviceException)
        {
            Reset();
            throw;
        }
    }

    private void LoadFresh(ReadOnlySpan<byte> state)
    {
        StateReader reader = new(state);
        StateReader.Expect("the format", StateMagic, reader.Read32());
        StateReader.Expect("the version", StateVersion, reader.Read32());
        StateReader.Expect("the device type", (uint)_core.Device.Type, reader.Read32());
        ReadOnlySpan<byte> config = reader.ReadExactly("the configuration space", ConfigLengthBytes);
        _vectors.Load(ref reader);
        ushort configVector = reader.Read16();
        byte events = reader.Read8();
        _core.Load(ref reader);
        _admin?.Load(ref reader);
        LoadDevice(reader.ReadBytes("the device's own state", IStatefulDevice.StateBytesMax), reader.IsAtEnd);
        _common.ConfigVector = _common.Valid(configVector);
        _common.CheckVectors();
        _line.Raise(events & (InterruptLine.QueueBit | InterruptLine.ConfigBit));
        // Last: it lets the queues run, if nobody else holds them.
        _config.WriteMasked(0, config);
        ApplyConfig();
    }

    private void LoadDevice(ReadOnlySpan<byte> state, bool isAtEnd)
    {
        if (!isAtEnd)
        {
            throw new DeviceException("the state goes on where it should end");
        }

        if (_device is IStatefulDevice device)
        {
            device.LoadState(state);
        }
        else if (!state.IsEmpty)
        {
            throw new DeviceException($"the state has {state.Length} bytes for a device that keeps nothing");
        }
    }
}
