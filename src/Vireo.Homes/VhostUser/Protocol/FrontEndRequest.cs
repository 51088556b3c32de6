namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>Numbers of the messages that a front-end sends (vhost-user, front-end message types).</summary>
internal enum FrontEndRequest : uint
{
    /// <summary>Which virtio features there are.</summary>
    GetFeatures = 1,

    /// <summary>Which virtio features the driver accepted.</summary>
    SetFeatures = 2,

    /// <summary>The session begins.</summary>
    SetOwner = 3,

    /// <summary>Deprecated: disable all rings.</summary>
    ResetOwner = 4,

    /// <summary>The driver's memory, all of it.</summary>
    SetMemoryTable = 5,

    /// <summary>Where dirty pages are recorded.</summary>
    SetLogBase = 6,

    /// <summary>An event descriptor to signal when pages were recorded.</summary>
    SetLogDescriptor = 7,

    /// <summary>The size of a ring.</summary>
    SetRingSize = 8,

    /// <summary>Where a ring lies.</summary>
    SetRingAddress = 9,

    /// <summary>Where a ring begins.</summary>
    SetRingBase = 10,

    /// <summary>Stop a ring and say where it stands.</summary>
    GetRingBase = 11,

    /// <summary>Start a ring; the descriptor that announces buffers.</summary>
    SetRingKick = 12,

    /// <summary>The descriptor that announces used buffers.</summary>
    SetRingCall = 13,

    /// <summary>The descriptor that announces errors.</summary>
    SetRingError = 14,

    /// <summary>Which protocol features there are.</summary>
    GetProtocolFeatures = 15,

    /// <summary>Which protocol features the front-end uses.</summary>
    SetProtocolFeatures = 16,

    /// <summary>How many queues there are.</summary>
    GetQueueCount = 17,

    /// <summary>Enable or disable a ring.</summary>
    SetRingEnable = 18,

    /// <summary>Announce the guest's address in the network.</summary>
    SendRarp = 19,

    /// <summary>The largest packet.</summary>
    SetMtu = 20,

    /// <summary>The socket for requests of the back-end.</summary>
    SetBackEndSocket = 21,

    /// <summary>Translations of I/O addresses.</summary>
    IotlbMessage = 22,

    /// <summary>The byte order of a ring.</summary>
    SetRingEndian = 23,

    /// <summary>Read the configuration space.</summary>
    GetConfig = 24,

    /// <summary>Write the configuration space.</summary>
    SetConfig = 25,

    /// <summary>Begin a crypto session.</summary>
    CreateCryptoSession = 26,

    /// <summary>End a crypto session.</summary>
    CloseCryptoSession = 27,

    /// <summary>A migration with post-copy may come: open a userfaultfd.</summary>
    PostcopyAdvise = 28,

    /// <summary>Post-copy begins: register the memory.</summary>
    PostcopyListen = 29,

    /// <summary>Post-copy has ended.</summary>
    PostcopyEnd = 30,

    /// <summary>Make a region for requests in flight.</summary>
    GetInflightDescriptor = 31,

    /// <summary>The region for requests in flight.</summary>
    SetInflightDescriptor = 32,

    /// <summary>The display socket of a GPU.</summary>
    SetGpuSocket = 33,

    /// <summary>Reset the device.</summary>
    ResetDevice = 34,

    /// <summary>A kick as a message.</summary>
    RingKick = 35,

    /// <summary>How many memory regions there may be.</summary>
    GetMaxMemorySlots = 36,

    /// <summary>One more memory region.</summary>
    AddMemoryRegion = 37,

    /// <summary>One memory region less.</summary>
    RemoveMemoryRegion = 38,

    /// <summary>Write the device status.</summary>
    SetStatus = 39,

    /// <summary>Read the device status.</summary>
    GetStatus = 40,

    /// <summary>The descriptor of a shared object.</summary>
    GetSharedObject = 41,

    /// <summary>Transfer the device's state through a descriptor.</summary>
    SetDeviceStateDescriptor = 42,

    /// <summary>Whether the transfer of the device's state worked.</summary>
    CheckDeviceState = 43,

    /// <summary>Sizes of the shared memory regions.</summary>
    GetSharedMemoryConfig = 44,

    /// <summary>Stop a ring without waiting for its requests in flight.</summary>
    GetRingBaseSkipDrain = 45,
}
