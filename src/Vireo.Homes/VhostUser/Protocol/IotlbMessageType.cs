namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>What a message about a translation says.</summary>
internal enum IotlbMessageType : byte
{
    /// <summary>A translation is missing (from the back-end).</summary>
    Miss = 1,

    /// <summary>A translation (from the front-end).</summary>
    Update = 2,

    /// <summary>A translation is no longer valid (from the front-end).</summary>
    Invalidate = 3,

    /// <summary>A translation does not allow an access (from the back-end).</summary>
    AccessFail = 4,
}
