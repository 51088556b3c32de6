using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports;

/// <content>The state of a stopped device, to go on with elsewhere.</content>
internal sealed partial class TransportCore
{
    private const int AvailableWrap = 1;
    private const int UsedWrap = 2;

    /// <summary>Writes the state; the lifecycle is held, so that queues say where they stand.</summary>
    public void Save(StateWriter writer)
    {
        Invariant.That(!Lifecycle.HasRunningQueue);
        writer.Write32(DeviceFeatureSelect);
        writer.Write32(DriverFeatureSelect);
        writer.Write(DriverFeatures);
        writer.Write8((int)Lifecycle.Status);
        writer.Write32(QueueSelect);
        writer.Write32(ConfigGeneration);
        byte[] config = new byte[ConfigLengthBytes];
        Device.ReadConfig(0, config);
        writer.Write(config);
        writer.Write16(QueueCount);
        foreach (TransportQueue queue in _queues)
        {
            Save(writer, queue);
        }
    }

    /// <summary>Brings a state back; the lifecycle is held, and the device has been reset.</summary>
    /// <exception cref="DeviceException">The state is of another device, or none; the device is then to be reset.</exception>
    public void Load(ref StateReader reader)
    {
        DeviceFeatureSelect = reader.Read32();
        DriverFeatureSelect = reader.Read32();
        DriverFeatures = reader.ReadFeatures();
        var status = (DeviceStatus)reader.Read8();
        QueueSelect = reader.Read32();
        ConfigGeneration = reader.Read32();
        ReadOnlySpan<byte> config = reader.ReadExactly("the device's configuration", ConfigLengthBytes);
        StateReader.Expect("the number of queues", (uint)QueueCount, reader.Read16());
        Lifecycle.Restore(status, DriverFeatures);
        LoadConfig(config);
        foreach (TransportQueue queue in _queues)
        {
            Load(ref reader, queue);
        }
    }

    /// <summary>Writes what the driver had written, where it differs; what only the device writes stays as it is.</summary>
    private void LoadConfig(ReadOnlySpan<byte> config)
    {
        byte[] here = new byte[ConfigLengthBytes];
        Device.ReadConfig(0, here);
        if (!config.SequenceEqual(here))
        {
            Device.WriteConfig(0, config);
        }
    }

    private void Save(StateWriter writer, TransportQueue queue)
    {
        QueueState state = Lifecycle.SetupOf(queue.Index)?.State ?? QueueState.Fresh;
        writer.Write16(queue.Size);
        writer.Write16(queue.Vector);
        writer.Write8(queue.IsEnabled ? 1 : 0);
        writer.Write64(queue.Descriptors);
        writer.Write64(queue.Driver);
        writer.Write64(queue.Device);
        writer.Write16(state.AvailableIndex);
        writer.Write16(state.UsedIndex);
        writer.Write8((state.AvailableWrap ? AvailableWrap : 0) | (state.UsedWrap ? UsedWrap : 0));
    }

    private void Load(ref StateReader reader, TransportQueue queue)
    {
        ushort size = reader.Read16();
        WriteSize(queue, size);
        if (queue.Size != size)
        {
            throw new DeviceException(
                $"queue {queue.Index} has size {size} in the state, which the device does not take"
            );
        }

        queue.Vector = reader.Read16();
        bool isEnabled = reader.ReadBool();
        queue.Descriptors = reader.Read64();
        queue.Driver = reader.Read64();
        queue.Device = reader.Read64();
        ushort available = reader.Read16();
        ushort used = reader.Read16();
        byte wraps = reader.Read8();
        if (isEnabled)
        {
            QueueState state = new(available, used, (wraps & AvailableWrap) != 0, (wraps & UsedWrap) != 0);
            Enable(queue, state);
        }
    }
}
