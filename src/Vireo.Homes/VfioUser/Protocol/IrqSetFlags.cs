namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>What SET_IRQS does, and with what.</summary>
[Flags]
internal enum IrqSetFlags : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>There is no data: do it.</summary>
    DataNone = 1,

    /// <summary>One byte for each interrupt says whether to do it.</summary>
    DataBool = 2,

    /// <summary>Descriptors do it, or are told when it is done.</summary>
    DataEventFd = 4,

    /// <summary>Do not announce the interrupt.</summary>
    ActionMask = 8,

    /// <summary>Announce the interrupt again.</summary>
    ActionUnmask = 0x10,

    /// <summary>Announce the interrupt, or say how it is announced.</summary>
    ActionTrigger = 0x20,

    /// <summary>All kinds of data.</summary>
    DataMask = DataNone | DataBool | DataEventFd,

    /// <summary>All actions.</summary>
    ActionsMask = ActionMask | ActionUnmask | ActionTrigger,
}
