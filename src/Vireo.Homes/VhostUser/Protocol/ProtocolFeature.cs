namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>Numbers of the protocol feature bits (vhost-user, protocol features).</summary>
/// <remarks>
/// Bit 22 (shared memory) was 20 in early patches of QEMU and 21 in the vhost crate 0.16 of rust-vmm: a peer built on these
/// asks for something else with those bits today.
/// </remarks>
internal static class ProtocolFeature
{
    /// <summary>The number of queues can be asked for.</summary>
    public const int MultipleQueues = 0;

    /// <summary>The dirty log comes as a descriptor.</summary>
    public const int LogDescriptor = 1;

    /// <summary>Network: the back-end announces the guest after a migration.</summary>
    public const int Rarp = 2;

    /// <summary>Any message can ask for an answer.</summary>
    public const int ReplyAck = 3;

    /// <summary>Network: the front-end sets the largest packet.</summary>
    public const int Mtu = 4;

    /// <summary>There is a second socket for requests of the back-end.</summary>
    public const int BackEndRequests = 5;

    /// <summary>The byte order of rings can be set.</summary>
    public const int CrossEndian = 6;

    /// <summary>Crypto: sessions are made by messages.</summary>
    public const int CryptoSession = 7;

    /// <summary>Post-copy migration.</summary>
    public const int PageFault = 8;

    /// <summary>The configuration space is read and written by messages.</summary>
    public const int Config = 9;

    /// <summary>Requests of the back-end may carry descriptors.</summary>
    public const int BackEndSendDescriptors = 10;

    /// <summary>Host notifiers.</summary>
    public const int HostNotifier = 11;

    /// <summary>Requests in flight are recorded in shared memory.</summary>
    public const int InflightDescriptor = 12;

    /// <summary>The device can be reset by a message.</summary>
    public const int ResetDevice = 13;

    /// <summary>Kicks and calls as messages.</summary>
    public const int InBandNotifications = 14;

    /// <summary>Memory regions come and go one by one.</summary>
    public const int ConfigureMemorySlots = 15;

    /// <summary>The device status is read and written by messages.</summary>
    public const int Status = 16;

    /// <summary>Memory of Xen guests; not offered.</summary>
    public const int XenMap = 17;

    /// <summary>Objects shared among back-ends.</summary>
    public const int SharedObject = 18;

    /// <summary>The device's own state can be saved and loaded.</summary>
    public const int DeviceState = 19;

    /// <summary>A stopped ring may have requests in flight.</summary>
    public const int GetRingBaseInflight = 20;

    /// <summary>Ring addresses are guest addresses.</summary>
    public const int GuestAddresses = 21;

    /// <summary>Shared memory regions.</summary>
    public const int SharedMemory = 22;

    /// <summary>Rings can be stopped without waiting for their requests.</summary>
    public const int GetRingBaseSkipDrain = 23;
}
