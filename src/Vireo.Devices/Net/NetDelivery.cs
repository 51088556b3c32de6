namespace Vireo.Devices.Net;

/// <summary>What became of a frame for a driver.</summary>
public enum NetDelivery
{
    /// <summary>The driver has it.</summary>
    Delivered,

    /// <summary>The driver does not get it: it does not want such frames, or cannot take them. Trying again is no use.</summary>
    Dropped,

    /// <summary>There is no buffer for it now. Try again when the queue asks for frames, or drop it.</summary>
    Full,
}
