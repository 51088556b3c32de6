namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The states of a migration (<c>enum vfio_device_mig_state</c>).</summary>
internal enum MigrationState : uint
{
    /// <summary>A state could not be taken; only a reset helps.</summary>
    Error = 0,

    /// <summary>The device stands still.</summary>
    Stop = 1,

    /// <summary>The device runs.</summary>
    Running = 2,

    /// <summary>The device stands still, and its state is being read.</summary>
    StopCopy = 3,

    /// <summary>The device stands still, and its state is being written.</summary>
    Resuming = 4,

    /// <summary>The device runs while its memory is being copied; its own state is read when it has stopped.</summary>
    PreCopy = 6,
}
