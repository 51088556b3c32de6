namespace Vireo.Devices.Block;

/// <summary>The disk behind a block device: the only thing the device needs from the host.</summary>
/// <remarks>Any thread may call.</remarks>
public interface IBlockBackend
{
    /// <summary>What kind of disk it is.</summary>
    BlockTraits Traits { get; }

    /// <summary>Size of the disk in sectors of 512 bytes, 0 to 2^54; a multiple of the logical block size.</summary>
    long CapacitySectors { get; }

    /// <summary>Called on any thread when <see cref="CapacitySectors"/> has changed; set by the device. Null while nobody listens.</summary>
    Action? CapacityChanged { get; set; }

    /// <summary>How worn the disk is; null, always or never, when the host does not tell.</summary>
    BlockLifetime? Lifetime { get; }

    /// <summary>The zones of the disk; null, always or never, when it has none.</summary>
    IBlockZones? Zones { get; }

    /// <summary>Makes the way to the disk for one queue that is about to run.</summary>
    /// <param name="queueIndex">Which queue; the channel works on that queue's loop.</param>
    /// <param name="tagCount">How many requests there are at once: their tags are below it.</param>
    /// <param name="completions">Told of each request's end, on that loop.</param>
    /// <returns>A channel, to be disposed after the queue has stopped.</returns>
    IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions);
}
