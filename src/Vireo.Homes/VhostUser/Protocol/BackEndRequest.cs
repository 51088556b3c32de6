namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>Numbers of the messages that a back-end sends (vhost-user, back-end message types).</summary>
internal enum BackEndRequest : uint
{
    /// <summary>A translation is missing or does not allow an access.</summary>
    IotlbMessage = 1,

    /// <summary>The configuration space has changed.</summary>
    ConfigChange = 2,

    /// <summary>A page that the guest may write to in place of a kick.</summary>
    RingHostNotifier = 3,

    /// <summary>A call as a message.</summary>
    RingCall = 4,

    /// <summary>A ring error as a message.</summary>
    RingError = 5,

    /// <summary>A shared object can be had here.</summary>
    SharedObjectAdd = 6,

    /// <summary>A shared object can no longer be had here.</summary>
    SharedObjectRemove = 7,

    /// <summary>Find a shared object of another back-end.</summary>
    SharedObjectLookup = 8,

    /// <summary>Show a file in a shared memory region.</summary>
    SharedMemoryMap = 9,

    /// <summary>Take a file out of a shared memory region.</summary>
    SharedMemoryUnmap = 10,
}
